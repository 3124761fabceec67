import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The example that compares the types of normalisation, in its short form.
@Suite struct WhichNormTests {
  private let folder = TemporaryFolder()

  private func run(_ arguments: String...) throws -> Tool {
    try Tool(arguments, program: "which-norm", in: folder.path)
  }

  /// The table's numbers by type and batch size, without the last, which is a time.
  private func numbers(_ output: String) -> [String: [Double]] {
    let rows = output.split(separator: "\n").dropFirst(2).map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
    return Dictionary(
      uniqueKeysWithValues: rows.map { ("\($0[0]) \($0[1])", $0[2...].dropLast().compactMap(Double.init)) })
  }

  @Test func `it trains every type, says the same again and draws both themes`() throws {
    let tool = try run("--quick", "-o", "light.svg", "--dark", "dark.svg")
    #expect(tool.status == 0 && tool.errors == "", "\(tool.errors)")
    let found = numbers(tool.output)
    for norm in ["none", "batch", "layer", "group", "instance"] {
      for size in [1, 8] {
        let losses = try #require(found["\(norm) \(size)"])
        #expect(losses.count == (norm == "batch" ? 3 : 2) && losses.allSatisfy { $0 > 0 && $0.isFinite })
      }
    }
    // A batch of one picture has the moments of its planes.
    #expect(found["batch 1"]?.first == found["instance 1"]?.first)
    #expect(found["batch 1"]?.last == found["instance 1"]?.last)
    #expect(try numbers(run("--quick").output) == found)

    for name in ["light.svg", "dark.svg"] {
      #expect(XMLParser(data: try Data(contentsOf: URL(fileURLWithPath: folder.file(name)))).parse())
    }
  }

  @Test(arguments: [(1, "Mean squared error: one seed."), (2, "Mean squared error: the median of 2 seeds; ")])
  func `its chart says how many seeds it shows`(seeds: Int, words: String) throws {
    let tool = try run("--quick", "--seeds", "\(seeds)", "-o", "chart.svg")
    #expect(tool.status == 0 && tool.errors == "", "\(tool.errors)")
    let chart = try String(contentsOfFile: folder.file("chart.svg"), encoding: .utf8)
    #expect(chart.contains(words))
  }

  @Test func `its convolution's gradients are those of finite differences`() throws {
    let tool = try run("--check")
    #expect(tool.status == 0, "\(tool.output)\(tool.errors)")
  }

  @Test(arguments: [["--steps"], ["--steps", "0"], ["--learn-rate", "nan"], ["-o"], ["--fast"]])
  func `it refuses what it does not know`(arguments: [String]) throws {
    let tool = try Tool(arguments, program: "which-norm", in: folder.path)
    #expect(tool.status == 64 && tool.output == "" && tool.errors.contains(arguments[0]))
  }

  @Test func `it says which file it cannot write`() throws {
    let tool = try run("--quick", "-o", "nowhere/x.svg")
    #expect(tool.status == 1 && tool.errors == "which-norm: cannot write 'nowhere/x.svg'\n")
  }
}
