import Foundation
import InstanceNorm

/// A golden file's path.
public func golden(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/\(name)").path
}

/// The package's folder.
public let packageFolder = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

/// Which sanitizers watch this process. They take memory of their own.
public enum Sanitizer {
  public static let isAddress = dlsym(nil, "__asan_init") != nil
  public static let isThread = dlsym(nil, "__tsan_init") != nil
}

/// A folder that is gone when the last reference is.
public final class TemporaryFolder: Sendable {
  public let path: String

  /// - Parameter inMemory: for files by the thousand, which a disk may take milliseconds each for; where the system has
  ///   memory for files.
  public init(inMemory: Bool = false) {
    let memory = "/dev/shm"
    let place = inMemory && access(memory, W_OK) == 0 ? memory : FileManager.default.temporaryDirectory.path
    path = "\(place)/instnorm-\(UUID().uuidString)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// The names of all files in it.
  public var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

/// The bytes of a file, written with no code of the library.
public func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
  try Data(Array(bytes)).write(to: URL(fileURLWithPath: path))
}

public func bytes(of path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The largest difference, relative to what the exact contract allows each value; 1 is the limit.
///
/// |y - ref| <= 1e-6 (|scale| max(1, |xhat|) + |bias|)
public func worstError(
  _ y: [Double], _ reference: Reference, maps: Int, planeSize: Int, scale: [Double]? = nil, bias: [Double]? = nil
) -> Double {
  var worst = 0.0
  for index in y.indices {
    let map = index / planeSize % maps
    let (a, b) = (scale?[map] ?? 1, bias?[map] ?? 0)
    let xhat = a == 0 ? 0 : (reference.y[index] - b) / a
    let allowed = 1e-6 * (abs(a) * max(1, abs(xhat)) + abs(b))
    let error = abs(y[index] - reference.y[index])
    if !(error <= allowed) {
      worst = max(worst, allowed == 0 ? .infinity : error / allowed, error.isNaN ? .infinity : 0)
    }
    worst = max(worst, allowed == 0 ? 0 : error / allowed)
  }
  return worst
}

/// The largest of some errors, 0 of none; infinite where one is NaN, which `max()` passes over.
public func worst(_ errors: some Sequence<Double>) -> Double {
  errors.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
}

/// The bit patterns of a tensor's values, row by row, for comparisons that NaN and signed zeros survive.
public func bits(_ tensor: Tensor) throws -> [UInt64] {
  try tensor.array(of: Double.self).map(\.bitPattern)
}

extension Tensor {
  /// Values row by row in float64.
  public var doubles: [Double] { get throws { try array(of: Double.self) } }
}

/// Files made of another by a few random changes: bytes replaced, removed, inserted, doubled and cut off, numbers
/// made huge.
public struct Mutator {
  private var generator: SeededGenerator
  private let original: [UInt8]
  /// Changes fall here more often than elsewhere: where the header is.
  private let header: Range<Int>

  public init(_ original: [UInt8], header: Range<Int>, seed: UInt64) {
    self.original = original
    self.header = header
    generator = SeededGenerator(seed: seed)
  }

  public mutating func next() -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      guard !bytes.isEmpty else { break }
      let inHeader = Int.random(in: 0..<4, using: &generator) > 0
      let limit = inHeader ? min(header.upperBound, bytes.count) : bytes.count
      let place = Int.random(in: 0..<max(1, limit), using: &generator)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
      case 4: bytes.removeLast(bytes.count - place)
      case 5: bytes[place] = UInt8(ascii: "0") + UInt8.random(in: 0...9, using: &generator)
      case 6: bytes.insert(contentsOf: Array("99999999999".utf8), at: place)
      default:
        let end = min(bytes.count, place + Int.random(in: 1...40, using: &generator))
        bytes.insert(contentsOf: bytes[place..<end], at: place)
      }
    }
    return bytes
  }
}
