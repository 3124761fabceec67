import Drawing
import Foundation
import InstanceNorm

// Trains one small model with each type of normalisation and draws what came of it. README.md says what for.

let usage = """
  usage: which-norm [--steps N] [--seeds N] [--learn-rate R] [-o FILE.svg] [--dark FILE.svg]
         which-norm --quick [-o FILE.svg] [--dark FILE.svg]
         which-norm --check

  """

func fail(_ message: String, status: Int32) -> Never {
  FileHandle.standardError.write(Data(message.utf8))
  exit(status)
}

var plan = Plan()
var drawings: [(theme: Theme, path: String)] = []
var isCheck = false

var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  func value<T>(_ parse: (String) -> T?) -> T {
    guard let text = arguments.popFirst(), let value = parse(text) else { fail(usage, status: 64) }
    return value
  }
  func count(_ text: String) -> Int? { Int(text).flatMap { $0 > 0 ? $0 : nil } }
  switch argument {
  case "--quick": plan = .quick
  case "--check": isCheck = true
  case "--steps": plan.steps = value(count)
  case "--seeds": plan.seeds = value(count)
  case "--learn-rate": plan.learnRate = value { Double($0).flatMap { $0 > 0 && $0.isFinite ? $0 : nil } }
  case "-o": drawings.append((.light, value { $0 }))
  case "--dark": drawings.append((.dark, value { $0 }))
  default: fail(usage, status: 64)
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
    try Chart(results, theme).document.write(toFile: path, atomically: true, encoding: .utf8)
  }
} catch {
  fail("which-norm: \(error)\n", status: 1)
}
