"""All experiments: importing this package fills the registry, in the order of the table."""

from tests.faults.experiments import blocking as blocking
from tests.faults.experiments import freezing as freezing
from tests.faults.experiments import killing as killing
from tests.faults.experiments import reading as reading
from tests.faults.experiments import stopping as stopping
