import TestSupport

/// A TIFF file put together by hand, for pictures of kinds that the library does not write.
struct TIFF {
  /// One page, uncompressed, little endian.
  struct Page {
    var width: Int
    var height: Int
    var bitsPerSample: Int
    var samplesPerPixel: Int
    /// 0 for grey from white to black, 1 for grey, 2 for RGB, 3 for a palette, 5 for CMYK, 8 for Lab.
    var photometric: Int
    /// 1 for unsigned and 2 for signed integers, 3 for floating point, 6 for complex numbers.
    var sampleFormat = 1
    /// For a palette: 256 reds, greens and blues of 16 bits.
    var colorMap: [UInt16] = []
    /// What bands behind the colours are: 0 for anything, 1 for premultiplied and 2 for straight alpha.
    var extraSamples: [Int] = []
    var orientation = 1
    var profile: [UInt8] = []
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
      // (tag, type 3 for 16, 4 for 32 and 7 for 8 bits, values)
      let samples = page.samplesPerPixel
      var tags = [
        (256, 4, [page.width]), (257, 4, [page.height]), (258, 3, Array(repeating: page.bitsPerSample, count: samples)),
        (259, 3, [1]), (262, 3, [page.photometric]), (273, 4, [pixelsPlace]), (274, 3, [page.orientation]),
        (277, 3, [samples]), (278, 4, [page.height]), (279, 4, [page.pixels.count]), (284, 3, [1]),
        (320, 3, page.colorMap.map(Int.init)), (338, 3, page.extraSamples),
        (339, 3, Array(repeating: page.sampleFormat, count: samples)), (34675, 7, page.profile.map(Int.init)),
      ]
      tags.removeAll { $0.2.isEmpty }
      let fields = tags.map { tag, type, values in
        let value = values.flatMap { little($0, [3: 2, 4: 4, 7: 1][type] ?? 0) }
        let isHere = value.count <= 4
        let place = bytes.count
        if !isHere { bytes += value + (value.count % 2 == 1 ? [0] : []) }
        return little(tag, 2) + little(type, 2) + little(values.count, 4)
          + (isHere ? value + Array(repeating: 0, count: 4 - value.count) : little(place, 4))
      }
      bytes.replaceSubrange(linkPlace..<linkPlace + 4, with: little(bytes.count, 4))
      bytes += little(tags.count, 2)
      for field in fields { bytes += field }
      linkPlace = bytes.count
      bytes += [0, 0, 0, 0]
    }
    return bytes
  }
}
