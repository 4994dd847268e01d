// Runs before the page is drawn, so that it never flashes in the other theme. Without a choice the system's is taken.
const chosen = localStorage.getItem('theme');
if (chosen) document.documentElement.dataset.theme = chosen;
