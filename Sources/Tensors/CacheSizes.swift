import CTensors

/// How much of something stays near a core.
package enum CacheSizes {
  /// From how many bytes on an output is written past the caches: half of the last level, which may be shared with
  /// others, but no more than 16 MiB.
  package static let streamed: Int = {
    #if os(Linux)
      let last = sysconf(Int32(_SC_LEVEL3_CACHE_SIZE))
    #else
      let last = 0
    #endif
    return min(max(last, 8 << 20) / 2, 16 << 20)
  }()

  /// How much of a plane is worth fetching while another is written: as much as half of a small second-level cache.
  @inlinable package static var fetchedAhead: Int { 256 << 10 }

  /// Sets of planes that fit a second-level cache together go through each pass together.
  @inlinable package static var part: Int { 512 << 10 }

  /// Planes that fit the nearest cache together go through each pass together.
  @inlinable package static var group: Int { 16 << 10 }
}
