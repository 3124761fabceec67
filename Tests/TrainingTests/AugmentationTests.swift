import Foundation
import TestSupport
import Testing
import Training

/// What a crop shows, against arithmetic on the pixels that knows nothing of the loader's.
@Suite struct AugmentationTests {
  private let files = PictureFiles()

  /// Crops of the only picture in the folder, one a batch: planes by channel, row by row.
  private func crops(_ count: Int, _ augmentation: Augmentation, seed: UInt64 = 3) throws -> [[Double]] {
    let loader = try PictureLoader(
      folders: [files.folder.path], batchSize: count, augmentation: augmentation, seed: seed)
    let values = try loader.next().doubles
    let size = values.count / count
    return (0..<count).map { Array(values[$0 * size..<($0 + 1) * size]) }
  }

  private func window(_ x: Tensor, top: Int, left: Int, _ height: Int, _ width: Int, mirrored: Bool = false) throws
    -> [Double]
  {
    let values = try x.doubles
    var result: [Double] = []
    for channel in 0..<3 {
      for row in top..<top + height {
        for column in 0..<width {
          let across = left + (mirrored ? width - 1 - column : column)
          result.append(values[(channel * x.shape[2] + row) * x.shape[3] + across])
        }
      }
    }
    return result
  }

  private func distance(_ first: [Double], _ second: [Double]) -> Double {
    worst(zip(first, second).map { abs($0 - $1) })
  }

  @Test func `a picture of the crop's size is itself, or mirrored half of the time`() throws {
    let x = try PictureFiles.picture(6, 8, seed: 1)
    try files.add(x, as: "x.png")
    let plain = try Augmentation(height: 6, width: 8, mirrors: false)
    #expect(try crops(4, plain).allSatisfy { try $0 == x.doubles })
    let mirrored = try window(x, top: 0, left: 0, 6, 8, mirrored: true)
    let shown = try crops(100, Augmentation(height: 6, width: 8))
    let count = shown.count { $0 == mirrored }
    #expect(try shown.count { try $0 == x.doubles } == 100 - count)
    #expect((30...70).contains(count))
  }

  @Test func `crops lie anywhere in the picture, edges too, or in its middle`() throws {
    let tall = try PictureFiles.picture(12, 8, seed: 2)
    try files.add(tall, as: "x.png")
    let windows = try (0...4).map { try window(tall, top: $0, left: 0, 8, 8) }
    let shown = try crops(60, Augmentation(size: 8, mirrors: false))
    for wanted in windows { #expect((3...24).contains(shown.count { $0 == wanted })) }
    #expect(shown.allSatisfy(windows.contains))
    #expect(try crops(2, .centered(height: 8, width: 8)) == [windows[2], windows[2]])
    let wide = try PictureFiles.picture(8, 11, seed: 3)
    try files.add(wide, as: "x.png")
    let across = try Set(crops(60, Augmentation(size: 8, mirrors: false)))
    #expect(try across == Set((0...3).map { try window(wide, top: 0, left: $0, 8, 8) }))
  }

  /// Bilinear between pixel centres, the edges continued.
  private func doubled(_ x: Tensor) throws -> Tensor {
    let (values, height, width) = (try x.doubles, x.shape[2], x.shape[3])
    var result: [Double] = []
    for channel in 0..<3 {
      for row in 0..<2 * height {
        for column in 0..<2 * width {
          let (y, x) = ((Double(row) - 0.5) / 2, (Double(column) - 0.5) / 2)
          func at(_ y: Double, _ x: Double) -> Double {
            let (y, x) = (min(max(Int(y), 0), height - 1), min(max(Int(x), 0), width - 1))
            return values[(channel * height + y) * width + x]
          }
          let (down, across) = (y - y.rounded(.down), x - x.rounded(.down))
          let (top, left) = (y.rounded(.down), x.rounded(.down))
          result.append(
            (1 - down) * ((1 - across) * at(top, left) + across * at(top, left + 1))
              + down * ((1 - across) * at(top + 1, left) + across * at(top + 1, left + 1)))
        }
      }
    }
    return try Tensor(result, shape: [1, 3, 2 * height, 2 * width])
  }

  @Test func `a small picture becomes larger, and scaled beyond the crop's size`() throws {
    let x = try PictureFiles.picture(4, 4, seed: 4)
    try files.add(x, as: "x.png")
    let large = try doubled(x)
    let whole = try crops(1, Augmentation(size: 8, mirrors: false))[0]
    #expect(try distance(whole, large.doubles) < 1e-6)
    // The same size, of which a part is shown.
    for crop in try crops(20, Augmentation(size: 4, scale: 2...2)) {
      var nearest = Double.infinity
      for place in 0..<50 {
        let part = try window(large, top: place / 2 / 5, left: place / 2 % 5, 4, 4, mirrored: place % 2 == 1)
        nearest = min(nearest, distance(crop, part))
      }
      #expect(nearest < 1e-6)
    }
  }

  @Test func `a large picture becomes smaller without patterns`() throws {
    let x = try PictureFiles.picture(16, 16, seed: 5)
    try files.add(x, as: "x.png")
    let crop = try crops(1, Augmentation(size: 8, mirrors: false))[0]
    let values = try x.doubles
    // At half the size each pixel is made of four in each direction, weighted 1, 3, 3, 1.
    func terms(_ place: Int) -> [(Int, Double)] {
      let all = zip(2 * place - 1...2 * place + 2, [1.0, 3, 3, 1]).filter { (0..<16).contains($0.0) }
      let sum = all.reduce(0) { $0 + $1.1 }
      return all.map { ($0.0, $0.1 / sum) }
    }
    var expected: [Double] = []
    for channel in 0..<3 {
      for row in 0..<8 {
        for column in 0..<8 {
          var sum = 0.0
          for (y, down) in terms(row) {
            for (x, across) in terms(column) { sum += down * across * values[(channel * 16 + y) * 16 + x] }
          }
          expected.append(sum)
        }
      }
    }
    #expect(distance(crop, expected) < 1e-6)
  }

  @Test func `scales fill their range evenly`() throws {
    // A ramp, whose slope in the crop tells the scale.
    let (size, count) = (64, 60)
    let ramp = (0..<size * size).map { Float($0 % size) / Float(size - 1) }
    try files.add(Tensor(ramp + ramp + ramp, shape: [1, 3, size, size]), as: "x.png")
    let scales = try crops(count, Augmentation(size: 32, scale: 1...2, mirrors: false)).map { crop in
      let slope = (crop[31 * 32 + 20] - crop[31 * 32 + 10]) / 10
      return Double(size) / Double(size - 1) / slope / 32
    }
    #expect(scales.allSatisfy { $0 > 0.95 && $0 < 2.05 })
    #expect((1.35...1.65).contains(scales.reduce(0, +) / Double(count)))
    #expect(scales.min() ?? 9 < 1.15 && scales.max() ?? 0 > 1.85)
  }

  @Test func `grey, transparency and animations become one opaque picture`() throws {
    let grey = try Tensor((0..<16).map { Float($0 * 17) / 255 }, shape: [1, 1, 4, 4])
    try Picture(colors: grey).write(to: files.folder.file("x.png"))
    let same = try Augmentation(size: 4, mirrors: false)
    #expect(try crops(1, same)[0] == grey.doubles + grey.doubles + grey.doubles)

    let alpha = try Tensor((0..<16).map { Float($0 * 17) / 255 }, shape: [1, 1, 4, 4])
    try Picture(colors: PictureFiles.plain(4, 4, 51), alpha: alpha).write(to: files.folder.file("x.png"))
    let shown = try alpha.doubles.map { $0 * 0.2 + (1 - $0) }
    #expect(try distance(crops(1, same)[0], shown + shown + shown) < 1e-6)

    let frames = try Tensor.concatenated([PictureFiles.plain(4, 4, 255), PictureFiles.plain(4, 4, 0)], along: 0)
    try Picture(colors: frames).write(to: files.folder.file("x.png.webp"))
    try FileManager.default.removeItem(atPath: files.folder.file("x.png"))
    #expect(try crops(1, same)[0].allSatisfy { $0 > 0.99 })
  }

  @Test(arguments: [(1200, 800), (800, 1200), (1023, 517)])
  func `a large JPEG that is read at a part of its size looks the same`(height: Int, width: Int) throws {
    let planes = (0..<3 * height * width).map { place -> Float in
      let (row, column) = (Float(place / width % height), Float(place % width))
      return 0.5 + 0.25 * sin(row / Float(height) * 9 + Float(place / width / height)) + 0.2 * cos(column / 90)
    }
    try files.add(Tensor(planes, shape: [1, 3, height, width]), as: "x.jpg")
    let short = try DecodedPicture(contentsOf: files.folder.file("x.jpg"), covering: (64, 64))
    #expect(short.height == height / 8 && short.width == width / 8)
    let augmentation = try Augmentation(size: 64, scale: 1...3)
    let (quick, path) = (try crops(6, augmentation), files.folder.file("x.jpg"))
    // The same picture in a format that is always read as it is.
    try Picture(contentsOf: path).write(to: files.folder.file("x.png"))
    try FileManager.default.removeItem(atPath: path)
    for (crop, wanted) in try zip(quick, crops(6, augmentation)) { #expect(distance(crop, wanted) < 0.03) }
  }

  @Test func `a picture that is all side is no trouble`() throws {
    try files.add(PictureFiles.picture(1, 3000, seed: 6), as: "x.png")
    #expect(try crops(4, Augmentation(size: 16, scale: 1...4)).allSatisfy { $0.allSatisfy { $0 >= 0 && $0 <= 1 } })
  }
}
