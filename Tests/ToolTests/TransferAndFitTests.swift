import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// `instnorm transfer` and `fit`, run as processes on files.
@Suite struct TransferAndFitTests: VerbSuite {
  let folder = TemporaryFolder()

  @Test func `transfer gives the content the style's means and deviations`() throws {
    _ = try picture("content.png", seed: 1)
    let style = try picture("style.png", seed: 2)
    #expect(try run("transfer", "content.png", "style.png", "-o", "out.npy") == "")
    for (result, wanted) in zip(try array("out.npy").planeSummaries(), try style.colors.planeSummaries()) {
      #expect(abs(result.moments.mean - wanted.moments.mean) < 1e-6)
      #expect(abs(result.moments.variance / wanted.moments.variance - 1) < 1e-4)
    }
    // It does so even where the content hardly has any contrast. A constant channel only gets the mean.
    let faint = try Tensor.randomNormal([1, 3, 20, 30], mean: 0.5, deviation: 1e-4, seed: 5).array(of: Float.self)
    try NPY.write(
      Tensor(faint[..<1200] + Array(repeating: 0.25, count: 600), shape: [1, 3, 20, 30]), to: folder.file("faint.npy"))
    _ = try run("transfer", "faint.npy", "style.png", "-o", "out.npy")
    let (result, wanted) = (try array("out.npy").planeSummaries(), try style.colors.planeSummaries())
    for map in 0..<3 {
      #expect(abs(result[map].moments.mean - wanted[map].moments.mean) < 1e-6)
      let expected = map == 2 ? 0 : wanted[map].moments.variance
      #expect(abs(result[map].moments.variance - expected) < 1e-4)
    }
    _ = try run("transfer", "content.png", "style.png", "-o", "out.jpg")
    #expect(try Picture(contentsOf: folder.file("out.jpg")).width == 30)
  }

  @Test func `transfer goes as far as its strength`() throws {
    let content = try picture("content.png", seed: 1).colors.doubles
    _ = try picture("style.png", seed: 2)
    _ = try run("transfer", "content.png", "style.png", "-o", "whole.npy")
    let whole = try array("whole.npy").doubles
    for strength in [0, 0.25, 1, 1.5] {
      _ = try run("transfer", "content.png", "style.png", "-o", "some.npy", "--strength", "\(strength)")
      for ((some, start), end) in zip(zip(try array("some.npy").doubles, content), whole) {
        #expect(abs(some - (start + strength * (end - start))) < 1e-6)
      }
    }
  }

  @Test func `transfer between grey and colour gives colour`() throws {
    _ = try picture("grey.png", seed: 1, channels: 1)
    _ = try picture("color.png", seed: 2)
    _ = try run("transfer", "grey.png", "color.png", "-o", "a.png")
    _ = try run("transfer", "color.png", "grey.png", "-o", "b.png")
    for name in ["a.png", "b.png"] {
      #expect(try Picture(contentsOf: folder.file(name)).colors.shape == [1, 3, 20, 30])
    }
  }

  @Test(arguments: ["adam", "sgd"]) func `fit learns what apply then shows`(optimizer: String) throws {
    let input = try picture("in.png", seed: 1)
    let norm = try InstanceNorm2D(numOfMaps: 3)
    norm.scale?.data = try Tensor([0.05, 0.1, 0.15] as [Float])
    norm.bias?.data = try Tensor([0.4, 0.5, 0.6] as [Float])
    try NPY.write(norm(input.colors), to: folder.file("target.npy"))

    let report = try run(
      "fit", "in.png", "target.npy", "-o", "w.safetensors", "--optimizer", optimizer, "--steps", "400", "--learn-rate",
      optimizer == "adam" ? "0.05" : "1")
    #expect(report.hasPrefix("loss ") && report.contains("after 400 steps"))
    _ = try run("apply", "in.png", "-o", "y.npy", "--weights", "w.safetensors")
    #expect(try meanSquaredError(array("y.npy"), array("target.npy")).scalar() < 1e-6)
  }

  @Test func `fit takes a grey picture to colours, and apply follows`() throws {
    _ = try picture("grey.png", seed: 1, channels: 1)
    _ = try picture("color.png", seed: 2)
    _ = try run("transfer", "grey.png", "color.png", "-o", "target.npy")
    _ = try run("fit", "grey.png", "target.npy", "-o", "w.safetensors")
    _ = try run("apply", "grey.png", "--weights", "w.safetensors", "-o", "y.npy")
    #expect(try meanSquaredError(array("y.npy"), array("target.npy")).scalar() < 1e-4)
  }

  @Test func `fit starts where the seed says`() throws {
    _ = try picture("in.png", seed: 1)
    func weights(_ seed: String) throws -> [[UInt64]] {
      _ = try run("fit", "in.png", "in.png", "-o", "w.safetensors", "--steps", "3", "--seed", seed)
      let file = try SafetensorsFile(contentsOf: folder.file("w.safetensors"))
      return try ["weight", "bias"].map { try bits(file.tensor(named: $0)) }
    }
    let (first, again, other) = (try weights("0"), try weights("0"), try weights("1"))
    #expect(again == first)
    #expect(other[0] != first[0] && other[1] != first[1])
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/pts/ptmx"), "there are no terminals here"))
  func `fit draws its progress only on a terminal`() throws {
    _ = try picture("in.png", seed: 1)
    // run() expects nothing on standard error.
    #expect(try !run("fit", "in.png", "in.png", "-o", "w.safetensors").contains("\r"))
    let fit = "'\(Tool.path("instnorm"))' fit in.png in.png -o w.safetensors --steps 20"
    for columns in [100, 40, 12] {
      let shell = try Tool(shell: "script -qec \"stty columns \(columns); \(fit)\" /dev/null", in: folder.path)
      #expect(shell.status == 0)
      #expect(shell.output.contains("20/20" + (columns > 20 ? "  loss " : "")), "\(shell.output)")
      let lines = shell.output.split { $0 == "\r" || $0.isNewline }
      #expect(lines.filter { $0.contains("/20") }.allSatisfy { $0.count < columns }, "\(lines)")
    }
  }
}
