"""What an arm is taught: whole maps, loops, windows, expression, or what pre-training asks.

A task is declared in a file of this folder, without torch: `Task` names the modules that hold its samples, its loss and
its scores. A job loads them by name, so a training depends on the code of its task alone.
"""

from trifold.tasks.expression import CAGE
from trifold.tasks.maps import MAPS
from trifold.tasks.pairs import LOOP, WINDOW
from trifold.tasks.pretraining import PRETRAINING
from trifold.tasks.rates import RATES
from trifold.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (MAPS, RATES, LOOP, WINDOW, CAGE, PRETRAINING)}
DEFAULT = MAPS.name
