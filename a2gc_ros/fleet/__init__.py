"""The maps of many robots in one PostgreSQL database with pgvector.

The database is the system of record; robots search their own map files, so a link that drops stops no recognition.
"""

from a2gc_ros.fleet.database import Along, connected, index_model, initialize
from a2gc_ros.fleet.locating import Located, locate
from a2gc_ros.fleet.pulling import Wanted, pull
from a2gc_ros.fleet.pushing import push

__all__ = ["Along", "Located", "Wanted", "connected", "index_model", "initialize", "locate", "pull", "push"]
