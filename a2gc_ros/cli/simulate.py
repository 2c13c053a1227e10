"""``a2gc simulate``: drive a robot through a made-up town and record what its camera sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import echo_result
from a2gc_ros.system.progress import progress_bars

if TYPE_CHECKING:
    from a2gc_simulation.drive import Drive


@app.command()
def simulate(
    out: options.NewBag,
    seed: Annotated[int, typer.Option(min=0, help="Another number, another town, traffic and noise.")] = 7,
    laps: Annotated[int, typer.Option(min=1, max=20, help="Rounds; each later one in other light and traffic.")] = 2,
    opposite: Annotated[
        bool, typer.Option(help="After the laps, drive one of their streets in the other direction.")
    ] = True,
    width: Annotated[int, typer.Option(min=16, max=4096, help="Width of the images in pixels.")] = 640,
    height: Annotated[int, typer.Option(min=16, max=4096, help="Height of the images in pixels.")] = 480,
    rate: Annotated[float, typer.Option(min=0.1, max=60.0, help="Images per second.")] = 4.0,
    field_of_view: Annotated[float, typer.Option(min=20.0, max=140.0, help="Horizontal, in degrees.")] = 75.0,
    speed: Annotated[float, typer.Option(min=0.2, max=15.0, help="On a straight, in m/s.")] = 3.0,
    wander: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far beside the first lap the later ones may be, in metres.")
    ] = 0.8,
    jpeg_quality: Annotated[int, typer.Option(min=1, max=100, help="Of the images.")] = 80,
    supersampling: Annotated[
        int, typer.Option(min=1, max=4, help="Draw at this multiple of the size; 1 is fast, 2 looks right.")
    ] = 2,
    texels_per_metre: Annotated[int, typer.Option(min=4, max=256, help="Sharpness of the house fronts.")] = 64,
    as_json: options.AsJson = False,
) -> None:
    """Drive a camera robot through a made-up town, and record images, odometry and the exact truth.

    Needs OpenGL without a screen, and a package that a robot leaves out: `pip install ./simulation` in a clone. The
    same seed gives the same drive.

    Examples:
    `a2gc simulate --out town.mcap`

    `a2gc simulate --out short.mcap --laps 1 --no-opposite --width 320 --height 240 --supersampling 1`

    `a2gc simulate --out other.mcap --seed 11 --rate 10`
    """
    from a2gc_simulation.config import AGAINST, DriveConfig, TownConfig
    from a2gc_simulation.drive import plan_drive
    from a2gc_simulation.layout import build_town
    from a2gc_simulation.recorder import record_drive

    from a2gc_ros.errors import BagError

    if out.exists():
        raise BagError(f"cannot write {out}: it exists; remove it or choose another name")
    config = DriveConfig(
        seed=seed,
        laps=laps,
        against=AGAINST if opposite else (),
        width=width,
        height=height,
        rate=rate,
        field_of_view=field_of_view,
        speed=speed,
        corner_speed=min(DriveConfig.corner_speed, speed),
        wander=wander,
    )
    drive = plan_drive(build_town(TownConfig(seed=seed, texels_per_metre=texels_per_metre)), config)
    with progress_bars("images") as progress:
        task = progress.add_task("building the town", total=len(drive.image_times))

        def advance(_: object) -> None:
            progress.update(task, advance=1, description="driving")

        record_drive(drive, out, jpeg_quality=jpeg_quality, supersampling=supersampling, on_image=advance)
    report = _report(drive, out)
    sentence = (
        f"{out}: {report['images']} images, {report['duration_s']:.1f} s, {report['length_m']:.0f} m, "
        f"{report['megabytes']:.1f} MB; odometry ends {report['odometry_error_m']:.1f} m from the truth"
    )
    echo_result(report, sentence, as_json=as_json)


def _report(drive: Drive, out: Path) -> dict[str, float | int | str]:
    from a2gc_ros.geometry import distance

    end = float(drive.odometry.times[-1])
    estimated = drive.motion.pose_at(0.0) @ drive.odometry.pose_at(end)
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return {
        "path": str(out),
        "images": len(drive.image_times),
        "duration_s": drive.motion.duration,
        "length_m": drive.motion.path.length,
        "odometry_error_m": distance(estimated, drive.motion.pose_at(end)),
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
    }
