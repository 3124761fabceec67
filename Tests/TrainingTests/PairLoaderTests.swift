import Foundation
import TestSupport
import Testing
import Training

@Suite struct PairLoaderTests {
  private let files = PictureFiles()

  private func loader(
    scale: ClosedRange<Double> = 1...3, seed: UInt64 = 1, threads: Int = 1,
    onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws -> PairLoader {
    try PairLoader(
      inputs: files.folder.file("a"), targets: files.folder.file("b"), batchSize: 4,
      augmentation: Augmentation(size: 8, scale: scale), seed: seed, threads: threads, onBroken: onBroken)
  }

  private func halves(
    input: PairLoader.Side = .left, onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws -> PairLoader {
    try PairLoader(
      halves: files.folder.path, input: input, batchSize: 4, augmentation: Augmentation(size: 8, scale: 1...3), seed: 1,
      onBroken: onBroken)
  }

  /// The opposite of each value, which a weighted mean keeps.
  private func inverse(_ x: Tensor) throws -> Tensor { try 1 - x }

  private func expectAligned(_ loader: PairLoader, batches: Int = 6) throws {
    for _ in 0..<batches {
      let (x, y) = try loader.next()
      #expect(x.shape == [4, 3, 8, 8] && y.shape == [4, 3, 8, 8] && y.layout == .nhwc)
      for (value, opposite) in try zip(x.doubles, y.doubles) { #expect(abs(value + opposite - 1) < 1e-6) }
    }
  }

  @Test func `both pictures of a pair show the same part`() throws {
    for number in 0..<5 {
      let x = try PictureFiles.picture(10 + number, 14, seed: UInt64(number))
      try files.add(x, as: "a/deep/\(number).png")
      // Names' endings may differ.
      try files.add(inverse(x), as: "b/deep/\(number).\(number == 2 ? "tif" : "png")")
    }
    try expectAligned(loader())
    let expected = try loader().next()
    let threaded = try loader(threads: 3).next()
    #expect(try bits(expected.input) == bits(threaded.input) && bits(expected.target) == bits(threaded.target))
  }

  @Test func `halves of one picture are a pair`() throws {
    for number in 0..<4 {
      let x = try PictureFiles.picture(9, 12, seed: UInt64(number))
      try files.add(Tensor.concatenated([x, inverse(x)], along: 3), as: "\(number).png")
    }
    try expectAligned(halves())
    let (left, right) = (try halves().next(), try halves(input: .right).next())
    #expect(try bits(left.input) == bits(right.target) && bits(left.target) == bits(right.input))
    // The seam shows in neither.
    let black = try Tensor.zeros([1, 3, 9, 12])
    for number in 0..<4 { try files.add(Tensor.concatenated([black, inverse(black)], along: 3), as: "\(number).png") }
    let (input, target) = try halves().next()
    #expect(try input.doubles.allSatisfy { $0 == 0 } && target.doubles.allSatisfy { $0 == 1 })
  }

  @Test func `a pair of other proportions, or that cannot be halved, is passed over`() throws {
    for name in ["a", "b"] { try files.addPlain(0..<3, height: 10, width: 14, in: name) }
    try files.add(PictureFiles.plain(14, 10, 200), as: "b/101.png")
    // Twice the size is no other shape.
    try files.add(PictureFiles.plain(20, 28, 2), as: "b/102.png")
    let reports = Locked<[FileError]>([])
    let loader = try loader { error in reports.withLock { $0.append(error) } }
    for _ in 0..<6 {
      let (x, y) = try loader.next()
      #expect(try x.numbers == y.numbers && !x.numbers.contains(1))
    }
    #expect(reports.withLock { $0.count } == 1)
    #expect(reports.withLock { "\($0)" }.contains("other proportions"))

    let odd = PictureFiles()
    try odd.add(PictureFiles.plain(8, 15, 1), as: "x.png")
    let error = #expect(throws: FileError.self) {
      try PairLoader(halves: odd.folder.path, batchSize: 1, augmentation: Augmentation(size: 8), seed: 1).next()
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("15 pixels are odd"))
  }

  @Test func `pictures without a partner are named`() throws {
    for name in ["a", "b"] { try files.addPlain(0..<6, in: name) }
    for number in 0..<5 { try FileManager.default.removeItem(atPath: files.folder.file("b/\(100 + number).png")) }
    func message() -> String {
      do {
        _ = try loader()
        return ""
      } catch { return "\(error)" }
    }
    #expect(message().contains("\(files.folder.file("b")): 100, 101, 102 and 2 more"))
    for number in 0..<5 { try files.add(PictureFiles.plain(4, 4, 1), as: "b/\(100 + number).png") }
    #expect(message().isEmpty)
    try files.add(PictureFiles.plain(4, 4, 1), as: "b/extra.png")
    #expect(message().hasPrefix(files.folder.file("b")) && message().contains(": extra"))
    try files.add(PictureFiles.plain(4, 4, 1), as: "a/extra.png")
    try files.add(PictureFiles.plain(4, 4, 1), as: "a/extra.tif")
    #expect(message().contains("the same name"))
  }
}
