import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What tests ask of a report's page, read by Foundation's parser, which also refuses what is not XML.
final class PageReader: NSObject, XMLParserDelegate {
  /// A chart in its own pixels.
  struct Chart {
    /// Where the axes have their numbers.
    var valueTicks: [(value: Double, y: Double)] = []
    var stepTicks: [(step: Double, x: Double)] = []
    var lines: [[(x: Double, y: Double)]] = []
    var bands: [[(x: Double, y: Double)]] = []
    var label = ""
  }

  private(set) var elements: [String] = []
  private(set) var attributes: [(name: String, value: String)] = []
  /// The texts by the element that they stand in.
  private(set) var texts: [(element: String, text: String)] = []
  private(set) var charts: [Chart] = []

  private var open: [String] = []
  private var group: [String: String] = [:]
  private var text = ""

  init(_ page: String) throws {
    super.init()
    let parser = XMLParser(data: Data(page.utf8))
    parser.delegate = self
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
  }

  func texts(in element: String) -> [String] { texts.filter { $0.element == element }.map(\.text) }
  func values(of attribute: String) -> [String] { attributes.filter { $0.name == attribute }.map(\.value) }

  func parser(
    _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements.append(element)
    open.append(element)
    self.attributes += attributes.map { ($0, $1) }
    text = ""
    func number(_ name: String) -> Double { attributes[name].flatMap(Double.init) ?? .nan }
    let points = (attributes["points"] ?? "").split(separator: " ").map { pair in
      let numbers = pair.split(separator: ",").map { Double($0) ?? .nan }
      return (x: numbers.first ?? .nan, y: numbers.last ?? .nan)
    }
    switch element {
    case "svg": charts.append(Chart(label: attributes["aria-label"] ?? ""))
    case "g": group = attributes
    case "line" where group["data-value"] != nil:
      charts[charts.count - 1].valueTicks.append((Double(group["data-value"] ?? "") ?? .nan, number("y1")))
    case "line" where group["data-step"] != nil:
      charts[charts.count - 1].stepTicks.append((Double(group["data-step"] ?? "") ?? .nan, number("x1")))
    case "polyline": charts[charts.count - 1].lines.append(points)
    case "circle" where group["data-part"] == "line":
      charts[charts.count - 1].lines.append([(number("cx"), number("cy"))])
    case "polygon": charts[charts.count - 1].bands.append(points)
    default: break
    }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

  func parser(_ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?) {
    open.removeLast()
    if element == "g" { group = [:] }
    if !text.isEmpty { texts.append((element, text)) }
    text = ""
  }
}
