"""``a2gc slam``: close the loops of a recording with a pose graph, and measure what it brought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.output import echo_result
from a2gc_ros.errors import ConfigError
from a2gc_ros.system.progress import progress_bar


@app.command()
def slam(
    *,
    bag: options.Bag,
    out: Annotated[
        Path | None, typer.Option(help="File for the corrected trajectory, in TUM's format.", show_default=False)
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for index.html, numbers.json, a picture and TUM files.", show_default=False),
    ] = None,
    chain: options.Chain,
    odometry: Annotated[str | None, typer.Option(help="Topic of poses, where there are several.")] = None,
    truth: Annotated[
        str | None,
        typer.Option(help="True poses: a topic, or a TUM, KITTI or CSV file. A topic that says so is found by itself."),
    ] = None,
    camera_pose: Annotated[
        str | None,
        typer.Option(
            help="Camera (optical frame) on the robot: x,y,z in metres, roll,pitch,yaw in radians; else /tf_static "
            "tells, else the camera looks ahead.",
            show_default=False,
        ),
    ] = None,
    translation_noise: Annotated[
        float, typer.Option(help="Least error of odometry, metres per root metre of way.")
    ] = 0.05,
    rotation_noise: Annotated[
        float, typer.Option(help="Least error of odometry, radians per root metre of way.")
    ] = 0.01,
    odometry_covariance: Annotated[
        bool, typer.Option("--odometry-covariance", help="Add by how much the odometry's own covariance grows.")
    ] = False,
    settings: options.LoopSettings = None,
    as_json: options.AsJson = False,
) -> None:
    """Close the loops of a recording: detect them, put them into a pose graph with the odometry, compare.

    Needs GTSAM: `pip install gtsam`.

    Examples:
    `a2gc slam run.mcap --out run.tum`

    `a2gc slam run.mcap --report report`

    `a2gc slam run.bag --odometry /vio/odom --truth leica.tum --json`
    """
    from a2gc_ros.bags.tum import write_tum
    from a2gc_ros.slam.noise import OdometryNoise
    from a2gc_ros.slam.pipeline import SlamOptions, run_slam
    from a2gc_ros.slam.report import numbers_of, write_report
    from a2gc_ros.slam.session import SlamConfig

    wanted = SlamOptions(
        bag=bag,
        **vars(chain),
        loop=options.loop_settings(settings),
        slam=SlamConfig(odometry=OdometryNoise(translation_noise, rotation_noise), use_covariance=odometry_covariance),
        odometry_topic=odometry,
        truth=truth,
        camera_pose=None if camera_pose is None else _camera_pose(camera_pose),
    )
    with progress_bar("closing loops", "images") as show:
        run = run_slam(wanted, show)
    numbers = numbers_of(run)
    if out is not None:
        write_tum(out, run.after)
    if report is not None:
        write_report(run, numbers, report, bag.name)
    written = [path for path in (out, report / "index.html" if report else None) if path is not None]
    lines = [_sentence(numbers), *(f"written: {path}" for path in written)]
    echo_result(numbers, "\n".join(lines), as_json=as_json)


def _camera_pose(text: str) -> Any:
    from a2gc_ros.geometry import pose_from_xyz_rpy

    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 6:
        raise ConfigError(f"--camera-pose {text} is no pose: give six numbers with commas, x,y,z,roll,pitch,yaw")
    return pose_from_xyz_rpy(values)


def _sentence(numbers: dict[str, Any]) -> str:
    text = (
        f"{numbers['images']} images, {numbers['closures']} closures, {numbers['closures_in_graph']} with a pose, "
        f"{numbers['closures_agreeing']} in agreement"
    )
    if numbers["after"] is not None:
        text += (
            f"; error {numbers['before']['ate_rmse_m']:.2f} m before, {numbers['after']['ate_rmse_m']:.2f} m after "
            "(ATE RMSE, aligned)"
        )
    if numbers["camera_pose_assumed"]:
        text += "; the camera was taken to look ahead, for nothing told where it sits: --camera-pose does"
    return text
