"""What a run or a sweep shows a person: one self-contained page."""
