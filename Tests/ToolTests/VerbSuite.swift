import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Tests that run verbs of the tool on files in a folder.
protocol VerbSuite {
  var folder: TemporaryFolder { get }
}

extension VerbSuite {
  /// Runs a verb that has to succeed without a word on standard error.
  ///
  /// - Returns: what it printed.
  func run(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let tool = try Tool(arguments, in: folder.path)
    #expect(tool.status == 0, "\(tool.errors)", sourceLocation: sourceLocation)
    #expect(tool.errors == "", sourceLocation: sourceLocation)
    return tool.output
  }

  /// Reads an array from the folder.
  func array(_ name: String, layout: Layout = .nchw) throws -> Tensor {
    try NPY.read(from: folder.file(name), layout: layout)
  }

  /// Writes a random picture of 20 by 30 pixels to the folder.
  ///
  /// - Returns: the picture as the file has it.
  func picture(_ name: String, seed: UInt64, channels: Int = 3, alpha: Tensor? = nil) throws -> Picture {
    let picture = try Picture(colors: .randomUniform([1, channels, 20, 30], in: 0.2..<0.7, seed: seed), alpha: alpha)
    try picture.write(to: folder.file(name))
    return try Picture(contentsOf: folder.file(name))
  }
}
