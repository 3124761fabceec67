import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Formats that are too involved to be written by hand, in small files of other encoders (OpenJPEG, libaom, libjxl).
@Suite struct EncodedFileTests {
  private let folder = TemporaryFolder()

  /// 8 x 8 pixels, the left half black and the right one white, of 12 and of 5 bits.
  private static let bits12 = """
    /0//UQAvAAAAAAAIAAAACAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAADCwEBCwEBCwEB/1IADAAAAAEBAAQEAAH/XAAEQGD/ZAAlAAFDcmVhdGVk
    IGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAABrAAH/k9/hYBFQQnbCw6dHOAYSBP1gAAL8Tl1RtWn7Ec2H5sPzYfmw/Nh+bD82H5sP
    zYfmw/Nh+bD82H5sPzYfmw/Nh+bD82H5sPzYfmw/Nh+bD82H5sPzYfmw/Nh+bD+AgP/Z
    """
  private static let bits5 = """
    /0//UQAvAAAAAAAIAAAACAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAAAADBAEBBAEBBAEB/1IADAAAAAEBAAQEAAH/XAAEQCj/ZAAlAAFDcmVhdGVk
    IGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAAAvAAH/k985wBFQQnbCw6dHOAYSBP1gAAL8Tl1RtWn7Ec2H5sOAgP/Z
    """
  /// 8 x 8 white pixels of 10 bits.
  private static let bits10 = """
    AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0
    bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAIgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBy
    cAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAACAAAAAgAAAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAAgAAAABdpcG1h
    AAAAAAAAAAEAAQQBAoMEAAAAKm1kYXQSAAoIOAi/5wICAJAyFBAAAAAP+I4smgq5Ypq43gOeT/tX
    """
  /// The same halves and their opposite, as an animation.
  private static let frames = """
    /wpBBE0AICYIBAEAeABLGIsVwgkybx1dFwgBYP7rr+gr/u8gAAAAAAAAAAAIBAUAdABLGIsVwgmqF0dvFwgBYP7rT/TC/8EBAAAAAAAAAA==
    """

  /// - Returns: nil where this libvips was built without the format.
  private func read(_ text: String) throws -> Picture? {
    let data = try #require(Data(base64Encoded: text, options: .ignoreUnknownCharacters))
    try write(data, to: folder.file("a"))
    do {
      return try Picture(contentsOf: folder.file("a"))
    } catch let error as FileError where "\(error)".contains("the libvips here was built without it") {
      return nil
    }
  }

  @Test(arguments: [bits12, bits5]) func `JPEG 2000 of any depth`(file: String) throws {
    guard let picture = try read(file) else { return }
    let values = (0..<192).map { $0 % 8 < 4 ? 0.0 : 1 }
    try expect(picture.colors, [1, 3, 8, 8], values)
    #expect(picture.is16Bit == (file == Self.bits12))
  }

  @Test func `AVIF of 10 bits`() throws {
    guard let picture = try read(Self.bits10) else { return }
    try expect(picture.colors, [1, 3, 8, 8], [Double](repeating: 1, count: 192), within: 2.0 / 1023)
    #expect(try picture.colors.doubles.max() == 1 && picture.is16Bit && picture.notes == [])
  }

  @Test func `an animation in JPEG XL is announced`() throws {
    guard let picture = try read(Self.frames) else { return }
    #expect(picture.notes == ["an animation, of which one frame is read"] && picture.count == 1)
  }
}
