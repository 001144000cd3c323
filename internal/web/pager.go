package web

import (
	"net/url"
	"strconv"
)

// onPage is how many items a page of a list shows: few enough to read on a phone.
const onPage = 20

// pager has the addresses of other pages of a list; empty: there is none.
type pager struct{ First, Next string }

// pageNumber is the page of a list that an address asks for, from 1.
func pageNumber(q url.Values) int {
	n, _ := strconv.Atoi(q.Get("page"))
	return min(max(n, 1), 10_000) // more items than any of these lists can have
}

// pageOf cuts one page out of a list. The list may end one item after the page.
func pageOf[T any](list []T, number int) ([]T, pager) {
	var p pager
	if number > 1 {
		p.First = "?"
	}
	list = list[min((number-1)*onPage, len(list)):]
	if len(list) > onPage {
		list, p.Next = list[:onPage], "?page="+strconv.Itoa(number+1)
	}
	return list, p
}
