"""Networks that swallow packets: an address, and the name server itself."""
import pytest

from support import HOLE
from support.hold import FAST, undisturbed, wait_down

pytestmark = pytest.mark.alone


@pytest.fixture
def watched(cluster, daemon, island):
    """watched(host): "sick" lives behind host, where nothing answers; "calm" on a Unix socket."""
    sick, calm = cluster("sick"), cluster("calm")

    def start(host):
        d = daemon(databases={"sick": f"postgresql://dbhealth@{host}:5432/postgres", "calm": calm.dsn()},
                   defaults=FAST, prefix=island.prefix)
        return d, f"{sick.socket_dir}/.s.PGSQL.{sick.port}"

    return start


def test_black_holed_address(watched, island):
    d, upstream = watched(HOLE)
    with undisturbed(d):
        wait_down(d, "timeout")
    island.settle(d, upstream)
    # the kernel's own retries of a lost SYN are up to 16 s apart by now
    d.wait_gone("conn-up", within=45)


def test_name_server_that_never_answers(watched, island):
    d, upstream = watched("db.example.test")
    with undisturbed(d):
        wait_down(d, "dns", within=25)
        island.settle(d, upstream)
        island.name("db.example.test")
        d.wait_gone("conn-up", within=75)
