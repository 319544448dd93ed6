from . import explain as explain
from . import image_maps as image_maps

MAX_REASONS: int
