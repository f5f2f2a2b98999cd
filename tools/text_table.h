// TextTable: columns that line up, for people. Nothing is cut or wrapped: a long cell makes its column wide, and the last column
// may be as long as it likes.
//
//   TextTable table({{"provider"}, {"GB/s", TextTable::kRight}});
//   table.AddRow({"tcp", "3.10"});
//   out << table.ToString();
//
// Threads: a plain value.

#ifndef TIDEWAY_TOOLS_TEXT_TABLE_H_
#define TIDEWAY_TOOLS_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace tideway::tools {

class TextTable {
 public:
  enum Alignment { kLeft, kRight };  // a number stands right
  struct Column {
    std::string title;
    Alignment alignment = kLeft;
  };

  explicit TextTable(std::vector<Column> columns);

  // REQUIRES: a cell for each column. Widths count bytes, so cells hold ASCII; line breaks and other control characters
  // become spaces.
  void AddRow(std::vector<std::string> cells);

  // The titles and the rows, one per line, without spaces at their ends.
  std::string ToString() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // the titles first
};

}  // namespace tideway::tools

#endif  // TIDEWAY_TOOLS_TEXT_TABLE_H_
