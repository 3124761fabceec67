import Foundation
import TestSupport
import Training

/// Pictures in a folder that is gone with the last reference.
struct PictureFiles {
  let folder = TemporaryFolder(inMemory: true)

  /// Values that 8 bits hold exactly.
  static func picture(_ height: Int, _ width: Int, seed: UInt64) throws -> Tensor {
    let values = try Tensor.randomUniform([1, 3, height, width], seed: seed).array(of: Float.self)
    return try Tensor(values.map { ($0 * 255).rounded() / 255 }, shape: [1, 3, height, width])
  }

  /// One colour, by which a picture is known again.
  static func plain(_ height: Int, _ width: Int, _ value: Int) throws -> Tensor {
    try Tensor(repeating: Double(value) / 255, shape: [1, 3, height, width])
  }

  func add(_ colors: Tensor, as name: String) throws {
    let path = folder.file(name)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Picture(colors: colors).write(to: path)
  }

  /// Pictures whose values are their numbers.
  func addPlain(_ numbers: Range<Int>, height: Int = 4, width: Int = 4, in name: String = ".") throws {
    for number in numbers { try add(Self.plain(height, width, number), as: "\(name)/\(100 + number).png") }
  }
}

extension Tensor {
  /// The bytes that the first values of a batch's pictures came from.
  var numbers: [Int] {
    get throws {
      let values = try array(of: Float.self)
      return (0..<shape[0]).map { Int((values[$0 * values.count / shape[0]] * 255).rounded()) }
    }
  }
}
