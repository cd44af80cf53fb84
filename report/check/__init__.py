"""`sightline check`: whether a run passes its rules, for programs that build and test on their own."""
