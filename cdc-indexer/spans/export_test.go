package spans

// Kept returns how many traces and changes wait for their counterparts.
func (j *Joiner) Kept() (traces, changes int) {
	for _, waiting := range j.waiting {
		changes += len(waiting)
	}
	return len(j.traces), changes
}
