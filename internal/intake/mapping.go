package intake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ParseMap reads the value of --map: column=header pairs with commas between them, such as
//
//	asset_id=Asset ID,display_name="Name, new"
//
// A header with a comma, a quote or spaces around it goes in double quotes, and a quote inside it is doubled. An equals sign
// in a header needs no quotes: no column has one, so the first one ends the column.
func ParseMap(text string) (map[string]string, error) {
	mapping := map[string]string{}
	for rest := text; ; {
		name, after, found := strings.Cut(rest, "=")
		if !found {
			return nil, fmt.Errorf("%s in the mapping has no equals sign: write column=header, such as asset_id=Asset ID", quote(rest))
		}
		col := columnNamed(name)
		if col == colNone {
			return nil, fmt.Errorf("%w (a header with a comma goes in double quotes)", unknownColumn(name))
		}
		if _, twice := mapping[col.String()]; twice {
			return nil, fmt.Errorf("the mapping names %s twice: keep one", col)
		}
		header, next, err := mapHeader(strings.TrimLeft(after, " "))
		if err != nil {
			return nil, fmt.Errorf("mapping of %s: %w", col, err)
		}
		mapping[col.String()] = header
		if next == "" {
			return mapping, nil
		}
		rest = next[1:] // the comma
	}
}

// mapHeader reads one header, bare or quoted, and returns what follows: nothing, or a comma and more.
func mapHeader(text string) (header, rest string, err error) {
	end := strings.IndexByte(text+",", ',')
	header, rest = trim(text[:end]), text[end:]
	if strings.HasPrefix(text, `"`) {
		if end = closingQuote(text, 1); end < 0 {
			return "", "", errors.New("the header's double quote is never closed: close it")
		}
		header, rest = unquote(text[1:end]), strings.TrimLeft(text[end+1:], " ")
	} else if strings.Contains(header, `"`) {
		return "", "", errors.New(`a quote inside an unquoted header: put the header in double quotes and double the quote`)
	}
	if rest != "" && rest[0] != ',' {
		return "", "", fmt.Errorf("%s follows the closing quote: put a comma there, or double a quote that belongs to the header", quote(rest))
	}
	if trim(header) == "" {
		return "", "", errors.New("no header after the equals sign: write column=header")
	}
	return header, rest, nil
}

// formatPair writes one pair as ParseMap reads it.
func formatPair(column, header string) string {
	if strings.ContainsAny(header, `,"`) || trim(header) != header {
		header = `"` + strings.ReplaceAll(header, `"`, `""`) + `"`
	}
	return column + "=" + header
}

// mappedColumns also checks a mapping that did not come from ParseMap.
func mappedColumns(mapping map[string]string) (map[column]string, error) {
	mapped := make(map[column]string, len(mapping))
	for name, header := range mapping {
		if !slices.Contains(columns(), name) {
			return nil, unknownColumn(name)
		}
		mapped[columnNamed(name)] = trim(header)
	}
	return mapped, nil
}

func unknownColumn(name string) error {
	return fmt.Errorf("the mapping names the column %s, which relabel does not read: use one of %s", quote(name), strings.Join(columns(), ", "))
}
