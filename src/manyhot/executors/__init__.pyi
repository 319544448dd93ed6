from .tasks import LostTaskError as LostTaskError
from .tasks import run_tasks as run_tasks
from .work import Work as Work
