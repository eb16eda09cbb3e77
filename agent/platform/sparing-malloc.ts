// Environment of the agent's processes that holds their memory down.

/**
 * glibc keeps what was freed for each thread apart, and ever more of it: 20 MB for a room, 10 for main, whose environment is
 * for its service to set. Ignored elsewhere.
 */
export const SPARING_MALLOC = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_TRIM_THRESHOLD_: "1048576",
  MALLOC_MMAP_THRESHOLD_: "1048576",
};
