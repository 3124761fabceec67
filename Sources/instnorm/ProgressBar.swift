import Foundation

/// A bar on standard error that fills as work is done; nothing at all where standard error or standard output is
/// not a terminal.
struct ProgressBar {
  private let total: Int
  private let isShown = isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
  private var lastShown = Date.distantPast
  private var width = 0

  init(total: Int) {
    self.total = total
  }

  /// Draws the bar, at most some twenty times a second.
  mutating func show(_ done: Int, _ note: String) {
    guard isShown, done == total || lastShown.timeIntervalSinceNow < -0.05 else { return }
    lastShown = Date()
    let cells = 30
    let filled = cells * done / total
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: cells - filled)
    let line = "[\(bar)] \(done)/\(total)  \(note)"
    // What a longer line left behind is written over.
    write("\r" + line + String(repeating: " ", count: max(0, width - line.count)))
    width = line.count
  }

  /// Leaves the last bar standing and goes to the next line.
  mutating func finish() {
    if isShown, width > 0 { write("\n") }
    width = 0
  }

  private func write(_ text: String) {
    tell(text)
  }
}

/// A number in six digits.
func short(_ value: Double) -> String {
  value.isNaN ? "nan" : String(format: "%.6g", value)
}
