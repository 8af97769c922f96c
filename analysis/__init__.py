"""From recordings and images to the comparison of network layers with visual areas, one folder per step."""

import os

# OpenMP reads this when torch or scikit-learn is first imported. Threads that wait without spinning give the same
# results; on a machine that does other work too, small networks train ten times as fast.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
