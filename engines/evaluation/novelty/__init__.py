"""Whether what is unlike all training clips is told from what is like them: things held out, and false alarms."""
