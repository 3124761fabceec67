import ArrayFiles
import Foundation

/// A training as a page: the newest samples, the losses, the samples since the first and the settings, in one file that
/// opens in any browser, offline, light or dark.
///
///     var report = TrainingReport(title: "starry.jpg on 168 pictures", history: history, stepsWanted: 2000)
///     report.captions = ["harbour", "portrait"]
///     report.samples.append(.init(step: 100, pictures: ["100-harbour.jpg", "100-portrait.jpg"]))
///     try report.write(to: "report.html")
public struct TrainingReport {
  /// What a network made of some pictures at a step.
  public struct Sample: Sendable {
    public var step: Int
    /// Paths of JPEG or PNG files, one for each of the report's captions.
    public var pictures: [String]

    public init(step: Int, pictures: [String]) {
      self.step = step
      self.pictures = pictures
    }
  }

  public var title: String
  public var history: LossHistory
  /// How many steps the training is to have.
  public var stepsWanted: Int
  /// How long a step takes; nil if that is not known.
  public var secondsPerStep: Double?
  /// What the training was started with, in the order of the page.
  public var settings: [(name: String, value: String)] = []
  /// What the pictures of each sample are called.
  public var captions: [String] = []
  /// Paths of the pictures that samples are made from; none for samples made from nothing.
  public var originals: [String] = []
  /// In the order of their steps.
  public var samples: [Sample] = []

  public init(title: String, history: LossHistory, stepsWanted: Int, secondsPerStep: Double? = nil) {
    self.title = title
    self.history = history
    self.stepsWanted = stepsWanted
    self.secondsPerStep = secondsPerStep
  }

  /// The page. A picture that cannot be read is a note in its place, since a training is worth more than its report.
  public func html() -> String { ReportPage(self).html }

  /// Writes the page. An existing one is replaced only when all is written.
  ///
  /// - Throws: `FileError.notWritten(path:reason:)`.
  public func write(to path: String) throws {
    var page = html()
    try page.withUTF8 { try AtomicFile.write(UnsafeRawBufferPointer($0), to: path) }
  }
}
