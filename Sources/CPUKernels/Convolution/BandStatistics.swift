import CNormKernels
import Calls
import Tensors

/// Means and variances of a convolution's results, taken of each band of rows while it is in cache, and merged: those of
/// bands are of (N, bands, 2, C), in float64.
struct BandStatistics {
  private let kernels: NormKernels
  private let maps: Int
  private let pitch: Int
  private let bands: Int
  private let memory: UnsafeMutablePointer<Double>
  private let counts: UnsafeMutablePointer<Double>

  static func doubleCount(images: Int, bands: Int, maps: Int) -> Int { images * bands * (2 * padded(maps) + 1) }

  private static func padded(_ maps: Int) -> Int { (maps + 15) / 16 * 16 }

  init(_ kernels: NormKernels, images: Int, bands: Int, maps: Int, _ memory: UnsafeMutablePointer<Double>) {
    self.kernels = kernels
    self.maps = maps
    self.bands = bands
    self.memory = memory
    pitch = Self.padded(maps)
    counts = memory + images * bands * 2 * pitch
  }

  /// Bytes that a thread needs to work in.
  var roomByteCount: Int { pitch * (4 + 2 * 8) }

  /// Takes those of a band, which lies together; `readable` values may be read from its first on.
  func take(
    _ image: Int, _ band: Int, _ pixels: UnsafePointer<Float>, count: Int, readable: Int,
    _ room: UnsafeMutableRawPointer
  ) {
    let sum = room.assumingMemoryBound(to: Double.self)
    let square = sum + pitch
    let shift = (square + pitch).withMemoryRebound(to: Float.self, capacity: pitch) { $0 }
    let means = memory + (image * bands + band) * 2 * pitch
    let variances = means + pitch
    let table = kernels.table
    table.pixel_shifts(.float32, pixels, count, maps, min(count, 16), shift)
    for _ in 0..<2 {
      sum.update(repeating: 0, count: 2 * pitch)
      table.pixel_moments(.float32, pixels, count, maps, maps, readable, shift, sum, square)
      // Of values far from their mean, once more with that.
      guard table.moments(maps, Double(count), shift, sum, square, means, variances) else { break }
      for map in 0..<maps { shift[map] = Float(means[map]) }
    }
    counts[image * bands + band] = Double(count)
  }

  /// The statistics of a picture, of the bands' (Chan, Golub and LeVeque, 1979):
  /// mean = sum of n m / N and variance = sum of n (v + (m - mean)^2) / N.
  func merge(
    _ image: Int, epsilon: Double, mean: UnsafeMutablePointer<Double>, invStd: UnsafeMutablePointer<Double>
  ) {
    let counts = counts + image * bands
    let total = (0..<bands).reduce(0) { $0 + counts[$1] }
    mean.update(repeating: 0, count: maps)
    invStd.update(repeating: 0, count: maps)
    for band in 0..<bands {
      let (part, means) = (counts[band] / total, memory + (image * bands + band) * 2 * pitch)
      for map in 0..<maps { mean[map] += part * means[map] }
    }
    for band in 0..<bands {
      let (part, means) = (counts[band] / total, memory + (image * bands + band) * 2 * pitch)
      for map in 0..<maps {
        let distance = means[map] - mean[map]
        invStd[map] += part * (means[pitch + map] + distance * distance)
      }
    }
    kernels.table.inverses(maps, epsilon, invStd, invStd)
  }
}
