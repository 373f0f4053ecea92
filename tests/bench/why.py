"""Why a target is missed, where it is: what profiling showed, and what would help."""
WHY = {
}
