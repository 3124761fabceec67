import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The plane of picture t and map i.
struct Plane: Hashable {
  let t: Int
  let i: Int
}

/// What tests ask of a drawn figure, read by Foundation's parser, which also refuses what is not XML.
final class DrawnFigure: NSObject, XMLParserDelegate {
  struct Panel {
    let title: String
    var texts: [String] = []
    var sets: [Plane: Int] = [:]
    /// The colour of each plane's upper face.
    var colours: [Plane: String] = [:]
  }

  private(set) var size = (width: 0.0, height: 0.0)
  private(set) var panels: [Panel] = []
  /// The texts outside panels.
  private(set) var texts: [String] = []

  /// The groups that are open, and the plane that is being read.
  private var groups: [[String: String]] = []
  private var plane: Plane?
  private var text: String?

  init(parsing document: String) throws {
    super.init()
    let parser = XMLParser(data: Data(document.utf8))
    parser.delegate = self
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
  }

  func parser(
    _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    switch element {
    case "svg": size = (Double(attributes["width"] ?? "") ?? 0, Double(attributes["height"] ?? "") ?? 0)
    case "text": text = ""
    case "polygon":
      if let plane, !panels.isEmpty, panels[panels.count - 1].colours[plane] == nil {
        panels[panels.count - 1].colours[plane] = attributes["fill"]
      }
    case "g":
      groups.append(attributes)
      if let title = attributes["data-panel"] { panels.append(Panel(title: title)) }
      let place = attributes["data-plane"]?.split(separator: ",").compactMap { Int($0) } ?? []
      if place.count == 2, !panels.isEmpty {
        let plane = Plane(t: place[0], i: place[1])
        panels[panels.count - 1].sets[plane] = attributes["data-set"].flatMap { Int($0) }
        self.plane = plane
      }
    default: break
    }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    text?.append(string)
  }

  func parser(
    _ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?
  ) {
    switch element {
    case "text":
      if groups.isEmpty { texts.append(text ?? "") } else { panels[panels.count - 1].texts.append(text ?? "") }
      text = nil
    case "g":
      groups.removeLast()
      plane = nil
    default: break
    }
  }
}
