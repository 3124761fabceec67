import ArrayFiles
import Calls
import ImageFiles
import Operations
import Tensors

/// One crop, of a picture whose size is not known yet.
struct Framing {
  let height: Int
  let width: Int
  let scale: Double
  /// How far down and across the crop is, in 0..<1 of the way that it can go; nil for the middle.
  let place: (down: Double, across: Double)?
  let isMirrored: Bool

  /// What the picture has to cover at least, so that it need not become larger.
  var covering: (height: Int, width: Int) {
    (Int((scale * Double(height)).rounded(.up)), Int((scale * Double(width)).rounded(.up)))
  }

  /// The height and width that a picture gets before it is cropped.
  func scaledSize(ofHeight height: Int, width: Int) -> (height: Int, width: Int) {
    let factor = scale * max(Double(self.height) / Double(height), Double(self.width) / Double(width))
    func scaled(_ side: Int, atLeast least: Int) -> Int { max(least, Int((Double(side) * factor).rounded())) }
    return (scaled(height, atLeast: self.height), scaled(width, atLeast: self.width))
  }

  /// The crop, (1, 3, height, width).
  ///
  /// - Parameter columns: the part of the picture that counts; nil for all of it.
  func crop(of picture: DecodedPicture, columns: Range<Int>? = nil) throws -> Tensor {
    let columns = columns ?? 0..<picture.width
    let size = scaledSize(ofHeight: picture.height, width: columns.count)
    func first(_ room: Int, _ share: Double?) -> Int { share.map { min(Int($0 * Double(room + 1)), room) } ?? room / 2 }
    let top = first(size.height - height, place?.down)
    let left = first(size.width - width, place?.across)
    let across = left..<left + width
    let columnMap =
      (isMirrored
      ? AxisMap.smooth(from: columns.count, to: size.width, places: across.reversed())
      : AxisMap.smooth(from: columns.count, to: size.width, places: across)).trimmed
    let start = columns.lowerBound
    let needed = start + columnMap.reads.lowerBound..<start + columnMap.reads.upperBound
    // On this thread alone: the others are the trainer's. Of a large picture some rows at a time become a tensor.
    let device = try Device.cpu(threads: 1)
    let bands = try stride(from: top, to: top + height, by: Self.bandHeight).map { first in
      let rows = first..<min(first + Self.bandHeight, top + height)
      let rowMap = AxisMap.smooth(from: picture.height, to: size.height, places: rows).trimmed
      return try picture.colors(rows: rowMap.reads, columns: needed, on: device)
        .mapped(rows: rowMap.map, columns: columnMap.map)
    }
    return try Tensor.concatenated(bands, along: 2)
  }

  private static let bandHeight = 32
}
