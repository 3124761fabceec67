import Drawing
import Foundation
import InstanceNorm

// Trains one small model with each type of normalisation and draws what came of it. README.md says what for.

let usage = """
  usage: which-norm [--quick] [--steps N] [--seeds N] [--learn-rate R] [--each-map] [-o FILE.svg] [--dark FILE.svg]
         which-norm --check

  """

func fail(_ message: String, status: Int32) -> Never {
  FileHandle.standardError.write(Data(message.utf8))
  exit(status)
}

var plan = Plan()
var drawings: [(theme: Theme, path: String)] = []
var isCheck = false

// Its few steps and seeds first, whatever the order, so that others take their place.
if CommandLine.arguments.contains("--quick") { plan = .quick }
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  func value<T>(_ expected: String, _ parse: (String) -> T?) -> T {
    let text = arguments.popFirst()
    if let value = text.flatMap(parse) { return value }
    fail(
      "which-norm: \(argument): expected \(expected), got \(text.map { "'\($0)'" } ?? "nothing")\n\(usage)", status: 64)
  }
  func count() -> Int { value("a whole number, 1 or more") { Int($0).flatMap { $0 > 0 ? $0 : nil } } }
  func path() -> String { value("a file") { $0.isEmpty ? nil : $0 } }
  switch argument {
  case "-h", "--help":
    print(usage, terminator: "")
    exit(0)
  case "--quick": break
  case "--each-map": plan.isEachMap = true
  case "--check": isCheck = true
  case "--steps": plan.steps = count()
  case "--seeds": plan.seeds = count()
  case "--learn-rate":
    plan.learnRate = value("a number above 0") { Double($0).flatMap { $0 > 0 && $0.isFinite ? $0 : nil } }
  case "-o": drawings.append((.light, path()))
  case "--dark": drawings.append((.dark, path()))
  default: fail("which-norm: unknown argument '\(argument)'\n\(usage)", status: 64)
  }
}

do {
  if isCheck {
    let error = try gradientError()
    print("The convolution's gradients and finite differences: \(error) apart, relative to the largest.")
    exit(error < 1e-5 ? 0 : 1)
  }
  let results = Results(plan: plan, runs: try await runs(of: plan))
  print(results.table)
  for (theme, path) in drawings {
    do {
      try Chart(results, theme).document.write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
      fail("which-norm: cannot write '\(path)'\n", status: 1)
    }
  }
} catch {
  fail("which-norm: \(error)\n", status: 1)
}
