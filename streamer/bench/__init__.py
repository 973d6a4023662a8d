"""`earshot bench`: what things cost, as ratios within one run. One file per benchmark."""
