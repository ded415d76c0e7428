"""The commands, one file for each subject. They translate; the store decides."""
