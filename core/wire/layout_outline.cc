#include "core/wire/layout_outline.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tideway/limits.h"

namespace tideway::wire {
namespace {

std::string TextOf(const TensorSpec& tensor) {
  return absl::StrCat(tensor.name, " [", absl::StrJoin(tensor.shape, ", "), "]");
}

}  // namespace

void DescribeLayout(const Layout& layout, Hello& hello) {
  hello.set_layout_summary(layout.ToString());
  size_t bytes = 0;
  for (const TensorSpec& tensor : layout.tensors()) {
    std::string text = TextOf(tensor);
    bytes += text.size() + 8;  // and what Protobuf puts before it
    if (bytes > kControlBytesMax / 4) return;
    hello.add_layout_tensors(std::move(text));
  }
}

std::string DifferenceOfLayouts(const Layout& layout, const Hello& hello) {
  std::string text =
      absl::StrCat("the model does not match this server's: it has ", layout.ToString(),
                   "; the client has ", Printable(hello.layout_summary()));
  const size_t told = static_cast<size_t>(hello.layout_tensors_size());
  const size_t here = layout.tensors().size();
  if (told == 0) return text;  // an older client
  for (size_t i = 0; i < std::min(told, here); ++i) {
    const std::string mine = TextOf(layout.tensors()[i]);
    const std::string& theirs = hello.layout_tensors(static_cast<int>(i));
    if (mine == theirs) continue;
    return absl::StrCat(text, ". The first tensor that differs, number ", i, ", is ", mine,
                        " here and ", Printable(theirs), " at the client");
  }
  if (told < here) {
    absl::StrAppend(&text, ". The client tells of no tensor number ", told, ", which is ",
                    TextOf(layout.tensors()[told]), " here");
  } else if (told > here) {
    absl::StrAppend(&text, ". The client has a tensor number ", here, ", ",
                    Printable(hello.layout_tensors(static_cast<int>(here))),
                    ", that is missing here");
  }
  return text;
}

}  // namespace tideway::wire
