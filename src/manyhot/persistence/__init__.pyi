from . import checkpoints as checkpoints
from . import container as container
from . import extreme_model as extreme_model
from . import model_file as model_file
