#!/bin/sed -Ef
# Makes the comments of a header Doxygen's: before a declaration, behind one, and the prose that a header opens with.
1s|^// |/// @file\n/// |
1s|^/\* |/** @file\n * |
s|^( *)// |\1/// |
s|^( *)//$|\1///|
s|^( *)/\* |\1/** |
s|([;,{]) +// |\1  ///< |
s|([;,]) +/\* |\1  /**< |
# What would be a command, an entity or a tag in a comment is text. Include lines keep their brackets.
/^ *(\/\/|\*|\/\*)/{
s|&|and |g
s|<([A-Za-z])|\&lt;\1|g
s|#|\\#|g
}
