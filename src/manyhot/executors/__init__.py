"""Work as tasks of other processes or machines: processes of our own, Ray, or somebody else's executor.

Names are imported on first use.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
