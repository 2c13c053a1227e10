UPDATE keyframes SET stamp_ns = 9e999;
