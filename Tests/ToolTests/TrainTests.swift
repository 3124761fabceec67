import Foundation
import Generators
import ImageFiles
import TestSupport
import Testing

/// `instnorm train` and `styles`, run as processes on small pictures.
@Suite struct TrainTests: VerbSuite {
  let folder = TemporaryFolder()

  /// Writes some smooth pictures of 40 x 40 into a folder of the folder.
  private func pictures(_ name: String, count: Int = 3) throws {
    try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
    for number in 0..<count {
      let rough = try Tensor.randomUniform([1, 3, 6, 6], seed: UInt64(10 * number + name.count))
      try Picture(colors: rough.resized(to: [40, 40], mode: .smooth)).write(to: folder.file("\(name)/\(number).png"))
    }
  }

  private func train(_ arguments: String) throws -> Tool {
    try Tool(["train"] + arguments.split(separator: " ").map(String.init), in: folder.path)
  }

  @Test func `a style is trained, stopped by a signal, resumed to the same bits, and paints`() throws {
    try pictures("photos")
    try pictures("styles", count: 2)
    let common = "style styles/0.png styles/1.png --pictures photos --width 2 --size 32 --batch 2 --every 200"
    let whole = try train("\(common) -o whole.safetensors --steps 300")
    #expect(whole.status == 0, "\(whole.errors)")

    let process = Process()
    process.executableURL = URL(filePath: Tool.path("instnorm"))
    let command = "train \(common) -o part.safetensors --steps 300 --json"
    process.arguments = command.split(separator: " ").map(String.init)
    process.currentDirectoryURL = URL(filePath: folder.path)
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    // A line for each step.
    var lines = ""
    while !lines.contains("\"step\":2,") {
      lines += String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    }
    kill(process.processIdentifier, SIGTERM)
    lines += String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGTERM)
    let said = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    let last = lines.split(separator: "\n").count
    #expect(said.contains("stopped at step \(last) of 300"), "\(said)")
    #expect(last < 300)
    #expect(lines.contains("\"picturesPerSecond\":") && lines.contains("\"style\":"))

    // Not by mistake on top of it.
    let again = try train("\(common) -o part.safetensors --steps 300")
    #expect(again.status == 64 && again.errors.contains("--resume"), "\(again.errors)")
    let other = try train("\(common) -o part.safetensors --steps 300 --resume --style-weight 7")
    #expect(other.status == 1 && other.errors.contains("style weight 4.0"), "\(other.errors)")
    let resumed = try train("\(common) -o part.safetensors --steps 300 --resume")
    #expect(resumed.status == 0 && resumed.output.contains("300 steps"), "\(resumed.errors)")
    #expect(try bytes(of: folder.file("part.safetensors")) == bytes(of: folder.file("whole.safetensors")))

    let page = String(decoding: try bytes(of: folder.file("part-training/report.html")), as: UTF8.self)
    #expect(page.contains("<html") && page.contains("data:image/jpeg;base64,"))
    let styles = try ConditionalTransformerNet(contentsOf: folder.file("whole.safetensors"))
    #expect(styles.styleNames == ["0", "1"])
    _ = try run("stylize", "photos/0.png", "-o", "out.png", "--model", "whole.safetensors", "--style", "0:0.3,1:0.7")
    #expect(try Picture(contentsOf: folder.file("out.png")).width == 40)
  }

  @Test func `pairs and cycles are trained to models that paint`() throws {
    for name in ["inputs", "targets", "a"] { try pictures(name) }
    try write("no picture".utf8, to: folder.file("a/broken.png"))
    let pairs = try train("pairs inputs targets -o pairs.safetensors --width 2 --size 32 --steps 3 --average 0.9")
    #expect(pairs.status == 0, "\(pairs.errors)")
    let cycle = try train("cycle a targets -o forth.safetensors --width 2 --blocks 1 --size 32 --steps 4 --seed 3")
    #expect(cycle.status == 0, "\(cycle.errors)")
    #expect(cycle.errors.components(separatedBy: "a/broken.png").count == 2, "\(cycle.errors)")
    for model in ["pairs", "forth", "forth-back"] {
      _ = try run("stylize", "a/0.png", "-o", "out.png", "--model", "\(model).safetensors")
    }
    #expect(try UNetGenerator(contentsOf: folder.file("pairs.safetensors")).norm == .instance)
    #expect(FileManager.default.fileExists(atPath: folder.file("forth-training/report.html")))
  }

  @Test func `the styles of the package are listed, shown, painted in and mixed`() throws {
    let names = try run("styles").split(separator: "\n").map(String.init)
    #expect(names.count >= 4 && names == EmbeddedStyles.names)
    #expect(try EmbeddedStyles.network().styleNames == names)
    let original = try picture("in.png", seed: 4)
    _ = try run("styles", "-o", "shown")
    for name in names { #expect(try Picture(contentsOf: folder.file("shown/\(name).jpg")).width >= 96) }
    _ = try run("stylize", "in.png", "-o", "first.png")
    _ = try run("stylize", "in.png", "-o", "named.png", "--style", names[0])
    _ = try run("stylize", "in.png", "-o", "other.png", "--style", names[1])
    _ = try run("stylize", "in.png", "-o", "mixed.png", "--style", "\(names[0]):3,\(names[1]):1")
    #expect(try bytes(of: folder.file("first.png")) == bytes(of: folder.file("named.png")))
    // On a grain, unless it is asked to do without.
    for grain in ["0", "2"] { _ = try run("stylize", "in.png", "-o", "grain\(grain).png", "--grain", grain) }
    #expect(try bytes(of: folder.file("first.png")) == bytes(of: folder.file("grain2.png")))
    #expect(try bytes(of: folder.file("first.png")) != bytes(of: folder.file("grain0.png")))
    let pictures = try ["first", "other", "mixed"].map { try Picture(contentsOf: folder.file("\($0).png")).colors }
    #expect(pictures.allSatisfy { $0.shape == original.colors.shape })
    #expect(try Set(pictures.map { try bits($0) }).count == 3)
    _ = try run("styles", "in.png", "-o", "sheet", "--size", "24")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("sheet")).count == names.count)
  }
}
