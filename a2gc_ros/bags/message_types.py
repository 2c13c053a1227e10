"""Names of the message types that are read and written here."""

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
ODOMETRY = "nav_msgs/msg/Odometry"
POSE = "geometry_msgs/msg/PoseStamped"
POSE_WITH_COVARIANCE = "geometry_msgs/msg/PoseWithCovarianceStamped"
TRANSFORMS = "tf2_msgs/msg/TFMessage"
TRANSFORMS_OF_OLD_ROS1 = "tf/msg/tfMessage"

CLOSURES = "a2gc_msgs/msg/LoopClosureCandidates"
CLOSURE = "a2gc_msgs/msg/LoopClosureCandidate"
OWN_DEFINITIONS = {
    CLOSURE: """
builtin_interfaces/Time query_stamp
builtin_interfaces/Duration held
int64 query_keyframe_id
uint32 map_index
int64 session_id
int64 keyframe_id
builtin_interfaces/Time keyframe_stamp
float32 similarity
float32 probability
bool verified
uint32 matches
uint32 inliers
bool has_pose
bool scale_known
bool has_covariance
geometry_msgs/PoseWithCovariance relative_pose
""",
    CLOSURES: """
std_msgs/Header header
LoopClosureCandidate[] candidates
""",
}
"""The fields of our own messages, which must be known where their package is not installed."""
