import ArgumentParser
import ArrayFiles
import Foundation
import Training

/// What all kinds of training are told.
struct TrainingOptions: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The network to write.", valueName: "model.safetensors"))
  var output: String

  @Option(
    parsing: .unconditional,
    help: """
      How many steps to take, those before a checkpoint included. Over the second half the rate falls to 0. (default: \
      2000 for a style, 20000 for the others)
      """)
  var steps: Int?

  @Option(parsing: .unconditional, help: "Pictures in a step. (default: 4 for a style, 1 for the others)")
  var batch: Int?

  @Option(
    parsing: .unconditional, help: "Pixels of a side of the parts of pictures that it learns from. (default: 256)")
  var size: Int?

  @Option(parsing: .unconditional, help: "Adam's rate. (default: 0.001 for a style, 0.0002 for the others)")
  var learnRate: Double?

  @Option(parsing: .unconditional, help: "Seed of the first weights, and of the pictures' order and parts.")
  var seed: UInt64 = 0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Save the exponential moving average of the weights, of this decay; 0.999 is usual.", valueName: "decay"))
  var average: Double?

  @Flag(help: "Go on from the checkpoint, where there is one.")
  var resume = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Where the checkpoint and the report are. (default: the model's name with -training)", valueName: "folder"))
  var checkpoint: String?

  @Option(parsing: .unconditional, help: "Steps from one checkpoint to the next.")
  var every = 500

  @Flag(help: "Print a line of JSON for each step.")
  var json = false

  @OptionGroup var place: Place

  func validate() throws {
    try Self.require("--steps", steps, 1...1_000_000_000)
    try Self.require("--batch", batch, 1...1024)
    try Self.require("--size", size, 1...8192)
    try Self.require("--every", every, 1...1_000_000_000)
    if let learnRate { try Self.require("--learn-rate", learnRate, "more than 0") { $0 > 0 } }
    if let average { try Self.require("--average", average, "0 or more, less than 1") { $0 >= 0 && $0 < 1 } }
    guard output.lowercased().hasSuffix(".safetensors") else {
      throw ValidationError("--output: expected a name that ends in .safetensors; got '\(output.shown)'")
    }
  }

  /// What generators and discriminators that are played against each other can be.
  func requireSizes(width: Int) throws {
    try Self.require("--width", width, 1...1024)
    if let size, size < 32 { throw ValidationError("--size: expected 32 or more; got \(size)") }
  }

  var folder: String { checkpoint ?? (output as NSString).deletingPathExtension + "-training" }

  static func require(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(name): expected \(range.lowerBound) to \(range.upperBound); got \(value)")
  }

  static func require(_ name: String, _ value: Double, _ expected: String, _ isValid: (Double) -> Bool) throws {
    guard value.isFinite, isValid(value) else {
      throw ValidationError("\(name): expected a finite number, \(expected); got \(value)")
    }
  }
}
