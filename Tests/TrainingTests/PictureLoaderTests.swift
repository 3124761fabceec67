import Foundation
import TestSupport
import Testing
import Training

@Suite struct PictureLoaderTests {
  private let files = PictureFiles()

  private func loader(
    batchSize: Int = 3, seed: UInt64 = 7, threads: Int = 1, ahead: Int = 3, scale: ClosedRange<Double> = 1...2,
    onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws -> PictureLoader {
    try PictureLoader(
      folders: [files.folder.path], batchSize: batchSize, augmentation: Augmentation(size: 8, scale: scale),
      seed: seed, threads: threads, ahead: ahead, onBroken: onBroken)
  }

  private func addSome() throws {
    for number in 0..<5 {
      try files.add(PictureFiles.picture(9 + number, 16 - number, seed: UInt64(number)), as: "\(number).png")
    }
  }

  @Test func `batches are pictures with their colours together`() throws {
    try addSome()
    let x = try loader().next()
    #expect(x.shape == [3, 3, 8, 8] && x.dtype == .float32 && x.layout == .nhwc && x.device == .cpu)
    #expect(try x.doubles.allSatisfy { $0 >= 0 && $0 <= 1 })
  }

  @Test func `the bits are the same on any number of threads and from any place on`() throws {
    try addSome()
    let first = try loader()
    let expected = try (0..<9).map { _ in try bits(first.next()) }
    #expect(Set(expected).count == 9)
    let threaded = try loader(threads: 3, ahead: 4)
    for wanted in expected { #expect(try bits(threaded.next()) == wanted) }
    for place in [0, 1, 4, 8] {
      let resumed = try loader(threads: 2, ahead: 2)
      try resumed.resume(at: place)
      #expect(try bits(resumed.next()) == expected[place])
      #expect(resumed.position == place + 1)
      // Also one that has been elsewhere, with batches made ahead.
      try first.resume(at: place)
      #expect(try bits(first.next()) == expected[place])
    }
    #expect(try bits(loader(seed: 8).next()) != expected[0])
  }

  @Test func `a checkpoint has the place, and refuses another loader's`() throws {
    try addSome()
    let first = try loader()
    for _ in 0..<4 { _ = try first.next() }
    let checkpoint = try Checkpoint(of: ["data": first])
    let resumed = try loader()
    try checkpoint.restore(["data": resumed])
    #expect(resumed.position == 4)
    #expect(try bits(resumed.next()) == bits(first.next()))
    for other in [try loader(batchSize: 2), try loader(seed: 9)] {
      #expect(throws: CheckpointError.self) { try checkpoint.restore(["data": other]) }
      #expect(other.position == 0)
    }
  }

  @Test func `each epoch has every picture once, in an order of its own`() throws {
    try files.addPlain(0..<10)
    let loader = try loader(batchSize: 4)
    let numbers = try (0..<10).flatMap { _ in try loader.next().numbers }
    #expect(loader.epoch == 4)
    let epochs = (0..<4).map { Array(numbers[$0 * 10..<$0 * 10 + 10]) }
    for epoch in epochs { #expect(epoch.sorted() == Array(0..<10)) }
    #expect(Set(epochs).count == 4)
  }

  @Test func `first places in an epoch are spread evenly`() throws {
    try files.addPlain(0..<3)
    let loader = try loader(batchSize: 300)
    var counts = [0, 0, 0]
    let numbers = try loader.next().numbers
    for place in stride(from: 0, to: 300, by: 3) { counts[numbers[place]] += 1 }
    // Four deviations of a binomial distribution of 100 and 1/3.
    for count in counts { #expect(abs(Double(count) - 100 / 3) < 19) }
  }

  @Test func `folders are listed with those inside, by name, each once`() throws {
    for name in ["b.png", "a/z.jpg", "a/deep/c.PNG", ".hidden/x.png", "a/.y.png"] {
      try files.add(PictureFiles.plain(8, 8, 1), as: name)
    }
    try write("text".utf8, to: files.folder.file("a/notes.txt"))
    let manager = FileManager.default
    try manager.createSymbolicLink(atPath: files.folder.file("a/loop"), withDestinationPath: files.folder.path)
    try manager.createSymbolicLink(atPath: files.folder.file("a/link.png"), withDestinationPath: "z.jpg")
    try manager.createSymbolicLink(atPath: files.folder.file("0"), withDestinationPath: "a/deep")
    let found = try Picture.files(in: files.folder.path, recursively: true)
    #expect(found == ["0/c.PNG", "a/link.png", "a/z.jpg", "b.png"].map(files.folder.file))
    #expect(try Picture.files(in: files.folder.path) == [files.folder.file("b.png")])
    #expect(try loader().files == found)
  }

  @Test func `a broken picture is reported once, and the next one comes in its place`() throws {
    try files.addPlain(0..<6)
    try write("no picture".utf8, to: files.folder.file("100.png"))
    let reports = Locked<[FileError]>([])
    func all(_ loader: PictureLoader) throws -> [Int] { try (0..<12).flatMap { _ in try loader.next().numbers } }
    let numbers = try all(loader { error in reports.withLock { $0.append(error) } })
    #expect(reports.withLock { $0.count } == 1)
    #expect(reports.withLock { "\($0)" }.contains("100.png"))
    for epoch in 0..<6 {
      let shown = numbers[epoch * 6..<epoch * 6 + 6]
      #expect(Set(shown) == Set(1..<6))
    }
    #expect(try all(loader(threads: 3)) == numbers)
    // A file that is gone likewise, once its batches ahead are through.
    let watched = try loader(ahead: 1) { error in reports.withLock { $0.append(error) } }
    _ = try watched.next()
    try FileManager.default.removeItem(atPath: files.folder.file("103.png"))
    let later = try (0..<6).flatMap { _ in try watched.next().numbers }
    #expect(!later.suffix(12).contains(3))
    #expect(reports.withLock { $0.count(where: { "\($0)".contains("103.png") }) } == 1)
  }

  @Test func `folders without a picture that can be used are one clear error`() throws {
    #expect(throws: FileError.noPictures(in: files.folder.path)) { try loader() }
    for number in 0..<3 { try write("no picture".utf8, to: files.folder.file("\(number).png")) }
    let some = try loader()
    for _ in 0..<2 {
      let error = #expect(throws: FileError.self) { try some.next() }
      #expect("\(error.map { "\($0)" } ?? "")".contains("none of its pictures, 3, can be used"))
    }
    #expect(some.position == 0)
    // It goes on once there is one.
    try files.add(PictureFiles.plain(8, 8, 9), as: "1.png")
    #expect(try some.next().numbers == [9, 9, 9])
  }

  @Test func `numbers out of range are refused`() throws {
    try files.addPlain(0..<2)
    for (batchSize, threads, ahead) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1), (1 << 40, 1, 1)] {
      #expect(throws: TensorError.self) { try loader(batchSize: batchSize, threads: threads, ahead: ahead) }
    }
    #expect(throws: TensorError.self) { try loader().resume(at: -1) }
    #expect(throws: TensorError.self) { try loader().resume(at: .max) }
    #expect(throws: TensorError.self) { try Augmentation(size: 0) }
    #expect(throws: TensorError.self) { try Augmentation(size: 8, scale: 0.5...1) }
    #expect(throws: TensorError.self) { try Augmentation(size: 8, scale: 1...(.infinity)) }
  }
}
