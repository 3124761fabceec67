import TestSupport

/// A TIFF file put together by hand, for pictures of kinds that the library does not write.
struct TIFF {
  /// One page, uncompressed, little endian.
  struct Page {
    var width: Int
    var height: Int
    var bitsPerSample: Int
    var samplesPerPixel: Int
    /// 1 for grey, 2 for RGB, 3 for a palette, 5 for CMYK.
    var photometric: Int
    /// 1 for unsigned integers, 3 for floating point.
    var sampleFormat = 1
    /// For a palette: 256 reds, greens and blues of 16 bits.
    var colorMap: [UInt16] = []
    var pixels: [UInt8]
  }

  static func file(_ pages: [Page]) -> [UInt8] {
    var bytes: [UInt8] = [0x49, 0x49, 42, 0, 0, 0, 0, 0]
    var linkPlace = 4
    func little(_ value: Int, _ width: Int) -> [UInt8] { littleEndian(value, byteCount: width) }
    for page in pages {
      let pixelsPlace = bytes.count
      bytes += page.pixels
      if bytes.count % 2 == 1 { bytes.append(0) }
      let bitsPlace = bytes.count
      for _ in 0..<page.samplesPerPixel { bytes += little(page.bitsPerSample, 2) }
      let mapPlace = bytes.count
      for value in page.colorMap { bytes += little(Int(value), 2) }

      // (tag, type 3 for 16 and 4 for 32 bits, count, value or its place)
      var tags = [
        (256, 4, 1, page.width), (257, 4, 1, page.height),
        (258, 3, page.samplesPerPixel, page.samplesPerPixel > 2 ? bitsPlace : page.bitsPerSample),
        (259, 3, 1, 1), (262, 3, 1, page.photometric), (273, 4, 1, pixelsPlace), (277, 3, 1, page.samplesPerPixel),
        (278, 4, 1, page.height), (279, 4, 1, page.pixels.count), (284, 3, 1, 1),
      ]
      if !page.colorMap.isEmpty { tags.append((320, 3, page.colorMap.count, mapPlace)) }
      tags.append((339, 3, 1, page.sampleFormat))
      bytes.replaceSubrange(linkPlace..<linkPlace + 4, with: little(bytes.count, 4))
      bytes += little(tags.count, 2)
      for (tag, type, count, value) in tags {
        bytes += little(tag, 2) + little(type, 2) + little(count, 4) + little(value, 4)
      }
      linkPlace = bytes.count
      bytes += [0, 0, 0, 0]
    }
    return bytes
  }
}
