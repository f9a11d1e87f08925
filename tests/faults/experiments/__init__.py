"""All experiments: importing this package fills the registry, in the order of the table."""

from tests.faults.experiments import around as around
from tests.faults.experiments import blocking as blocking
from tests.faults.experiments import clock as clock
from tests.faults.experiments import container as container
from tests.faults.experiments import disk as disk
from tests.faults.experiments import freezing as freezing
from tests.faults.experiments import full as full
from tests.faults.experiments import killing as killing
from tests.faults.experiments import memory as memory
from tests.faults.experiments import power as power
from tests.faults.experiments import reading as reading
from tests.faults.experiments import stopping as stopping
