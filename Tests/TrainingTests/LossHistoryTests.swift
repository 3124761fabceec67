import Foundation
import InstanceNorm
import TestSupport
import Testing
import Training

@Suite struct LossHistoryTests {
  @Test(arguments: [0, 1, 100]) func `a history resumes to the bit`(_ count: Int) throws {
    let history = try LossHistory(of: ["content", "style"])
    for step in 0..<count {
      let odd = [-0.0, .infinity, Double(bitPattern: 0x7FF8_0000_0000_1234), .leastNonzeroMagnitude, 0.1 + 0.2]
      try history.append([odd[step % odd.count], sin(Double(step))])
    }
    let folder = TemporaryFolder()
    try Checkpoint(of: ["losses": history]).write(to: folder.file("run.safetensors"))
    let resumed = try LossHistory(of: ["content", "style"])
    try resumed.append([7, 7])
    try Checkpoint(contentsOf: folder.file("run.safetensors")).restore(["losses": resumed])
    #expect(resumed.count == count)
    for name in history.names {
      #expect(try resumed.values(of: name).map(\.bitPattern) == history.values(of: name).map(\.bitPattern))
    }
    try resumed.append([1, 2])
    #expect(resumed.count == count + 1)
  }

  @Test func `a checkpoint of other losses is refused, and the history stays`() throws {
    let checkpoint = try Checkpoint(of: ["losses": try LossHistory(of: ["style", "content"])])
    let history = try LossHistory(of: ["content", "style"])
    try history.append([1, 2])
    #expect(throws: CheckpointError.self) { try checkpoint.restore(["losses": history]) }
    #expect(throws: CheckpointError.self) { try checkpoint.restore(["others": history]) }
    var wrong = Checkpoint()
    try wrong.set(history.names, for: "losses/names")
    #expect(throws: CheckpointError.self) { try wrong.restore(["losses": history]) }
    for tensor in [
      try Tensor.zeros([4, 3], dtype: .float64), try Tensor.zeros([4, 2]), try Tensor.zeros([4], dtype: .float64),
    ] {
      var wrong = wrong
      try wrong.add(tensor, as: "losses/values")
      #expect(throws: CheckpointError.self) { try wrong.restore(["losses": history]) }
    }
    #expect(try history.values(of: "style") == [2])
  }

  @Test func `names and values that do not fit are refused`() throws {
    #expect(throws: LossHistoryError.names(got: [])) { try LossHistory(of: []) }
    #expect(throws: LossHistoryError.names(got: ["a", "a"])) { try LossHistory(of: ["a", "a"]) }
    let history = try LossHistory(of: ["a", "b"])
    #expect(throws: LossHistoryError.values(expected: 2, got: 3)) { try history.append([1, 2, 3]) }
    #expect(history.count == 0)
    #expect(throws: LossHistoryError.noLoss(name: "c", available: ["a", "b"])) { try history.curve(of: "c") }
  }

  @Test func `a curve's stretches hold every step once`() throws {
    let history = try LossHistory(of: ["a"])
    for step in 1...1003 { try history.append([step % 10 == 3 ? .nan : Double(step)]) }
    for most in [1, 2, 7, 400, 5000] {
      let curve = try history.curve(of: "a", most: most)
      #expect(curve.count == min(most, 1003))
      #expect(curve.flatMap { Array($0.steps) } == Array(1...1003))
      #expect(curve.reduce(0) { $0 + $1.notFinite } == 101)
      for stretch in curve {
        let values = stretch.steps.filter { $0 % 10 != 3 }.map(Double.init)
        #expect(stretch.mean.isNaN == values.isEmpty)
        guard !values.isEmpty else { continue }
        #expect(stretch.least == values.min() && stretch.greatest == values.max())
        #expect(abs(stretch.mean - values.reduce(0, +) / Double(values.count)) < 1e-9)
      }
    }
    #expect(try history.curve(of: "a", most: 0).isEmpty && history.curve(of: "a", most: -3).isEmpty)
  }
}
