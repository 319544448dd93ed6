from . import model_page as model_page
from . import prediction_images as prediction_images

MAX_DRAWN_ROWS: int
